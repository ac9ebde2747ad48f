{#
    Seeds are read as RFC 4180 and nothing else. dbt-duckdb's own COPY lets DuckDB guess the
    quote: a column whose values stand in single quotes ('tis fun') then loses them, so an
    application's name would depend on the names around it.
#}
{% macro duckdb__load_csv_rows(model, agate_table) %}
    {% set path = adapter.get_seed_file_path(model) | replace("'", "''") %}
    {% set sql %}
        copy {{ this.render() }}
        from '{{ path }}'
        (
            format csv,
            header true,
            auto_detect false,
            delimiter ',',
            quote '"',
            escape '"',
            nullstr ''
        )
    {% endset %}
    {% do adapter.add_query(sql, abridge_sql_log=True) %}
    {{ return(sql) }}
{% endmacro %}

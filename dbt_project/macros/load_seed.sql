{#
    Seeds are read as RFC 4180 and nothing else. dbt-duckdb's own COPY lets DuckDB guess the
    quote: a column whose values stand in single quotes ('tis fun') then loses them, so an
    application's name would depend on the names around it. Lines may end in both ways, as
    rows that a program appends do: what is no CSV has been refused before a seed is loaded.

    The one seed with user ids, role_assignments.csv, comes from Python with what stands for
    them where a pseudonym key is set, one row per district: no raw id is ever written.
#}
{% macro duckdb__load_csv_rows(model, agate_table) %}
    {% set path = adapter.get_seed_file_path(model) | replace("'", "''") %}
    {% set sql %}
        {% if model.name == "role_assignments" %}
            insert into {{ this.render() }} by name
            select unnest(
                from_json(
                    trackline_role_assignments(),
                    '[{"district_id": "varchar", "user_id": "varchar", "role": "varchar", "context_id": "varchar"}]'
                ),
                recursive := true
            )
        {% else %}
            copy {{ this.render() }}
            from '{{ path }}'
            (
                format csv,
                header true,
                auto_detect false,
                delimiter ',',
                quote '"',
                escape '"',
                nullstr '',
                strict_mode false
            )
        {% endif %}
    {% endset %}
    {% do adapter.add_query(sql, abridge_sql_log=True) %}
    {{ return(sql) }}
{% endmacro %}

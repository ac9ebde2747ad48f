{#- Deletes a student's rows from every table of the warehouse. Who it is stands in the
    environment and is asked for by a function: neither SQL text nor a log repeats it. -#}
{% macro forget_student() -%}
    {%- set tables = run_query(
        "select columns.schema_name, columns.table_name, columns.column_name"
        ~ " from duckdb_columns() as columns"
        ~ " inner join duckdb_tables() as tables using (database_name, schema_name, table_name)"
        ~ " where columns.database_name = current_database()"
        ~ " and columns.column_name in ('student_id', 'user_id', 'userid')"
        ~ " order by 1, 2, 3"
    ).rows -%}
    {#- a first build that was killed has not made them all -#}
    {%- set present = run_query(
        "select table_name from duckdb_tables() where database_name = current_database()"
        ~ " and schema_name = current_schema()"
    ).columns[0].values() | list -%}
    {%- set statements = [] -%}
    {%- for table in tables -%}
        {%- do statements.append(
            "delete from " ~ quoted(table[0]) ~ "." ~ quoted(table[1])
            ~ " where district_id = trackline_forgotten_district()"
            ~ " and " ~ quoted(table[2]) ~ " = trackline_forgotten_student()"
        ) -%}
    {%- endfor -%}
    {%- set more = {
        "int_moodle_records": "delete from int_moodle_records"
        ~ " where district_id = trackline_forgotten_district()"
        ~ " and table_name = 'moodle/context' and contextlevel = 30"
        ~ " and instanceid = trackline_forgotten_student();"
        ~ " update int_moodle_records set setting = array_to_string(list_filter("
        ~ "string_split(setting, ','), lambda id: id <> trackline_forgotten_student()), ',')"
        ~ " where district_id = trackline_forgotten_district()"
        ~ " and name in ('siteguest', 'siteadmins')",
        "int_usage_marks": "delete from int_usage_marks where reader = 'int_app_weeks'"
        ~ " and district_id = trackline_forgotten_district()",
        "dq_rejected_rows": "update dq_rejected_rows set value = null"
        ~ " where district_id = trackline_forgotten_district()"
        ~ " and regexp_matches(value, '(^|[^\\pL\\pN])'"
        ~ " || regexp_escape(trackline_forgotten_student()) || '($|[^\\pL\\pN])')",
    } -%}
    {#- of a rejected value the id may be a part, but no part of another word: 1 of 2021 -#}
    {#- weeks name nobody, yet the student is in them: without a mark they are counted anew -#}
    {%- for table in more if table in present -%}
        {%- do statements.append(more[table]) -%}
    {%- endfor -%}
    {%- do run_query("begin; " ~ statements | join("; ") ~ "; commit") -%}
{%- endmacro %}

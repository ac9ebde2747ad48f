{#- Three places where dbt's own macros do not fit this project. -#}

{#- Names inside the warehouse go without the file's name, so that a copy or an attached
    file keeps working views. -#}
{% macro ref() -%}
    {%- set relation = builtins.ref(*varargs, **kwargs) -%}
    {%- if relation.database == target.database -%}
        {{- return(relation.include(database=false)) -}}
    {%- endif -%}
    {{- return(relation) -}}
{%- endmacro %}

{#- dbt writes what it ran to target/run/<path of the node>; a seed's path leads out of
    the project, and an absolute one to the CSV itself. A seed has no SQL worth keeping. -#}
{% macro noop_statement(name=none, message=none, code=none, rows_affected=none, res=none) -%}
    {%- set sql = caller() -%}
    {%- if name == "main" and model.resource_type != "seed" -%}
        {{- write(sql) -}}
    {%- endif -%}
    {%- if name is not none -%}
        {{- store_raw_result(
            name, message=message, code=code, rows_affected=rows_affected, agate_table=res
        ) -}}
    {%- endif -%}
{%- endmacro %}

{#- What a night appends is not written twice: where the rows are not looked at between, what
    dbt would keep in a temporary table is a view. -#}
{% macro duckdb__create_table_as(temporary, relation, compiled_code, language="sql") -%}
    {%- set is_appended = config.get("incremental_strategy") == "append" -%}
    {%- if temporary and language == "sql" and is_appended -%}
        create temporary view {{ relation.include(database=false, schema=false) }} as
        {{ compiled_code }}
    {%- else -%}
        {{ return(dbt.duckdb__create_table_as(
            temporary, relation, compiled_code, language, **kwargs
        )) }}
    {%- endif -%}
{%- endmacro %}

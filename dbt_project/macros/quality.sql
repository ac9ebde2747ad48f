{% macro landing_tables() -%}
    {{- return(["app_usage", "scores", "events", "students", "enrollments", "insight_actions"]) -}}
{%- endmacro %}

{#- every staged record's table, file and verdict -#}
{% macro staged_records() -%}
    {%- set columns = "district_id, path, file_modified_at, record_number, rule, column_name, value" -%}
    {% for table in landing_tables() -%}
        select '{{ table }}' as table_name, {{ columns }},
        from {{ ref("stg_landing__" ~ table) }}
        union all
    {% endfor %}
    {%- for table in ["stg_moodle__log", "stg_moodle__records"] -%}
        select table_name, {{ columns }}, from {{ ref(table) }}
        {{ "union all" if not loop.last }}
    {% endfor %}
{%- endmacro %}

{#- the one moment of a build -#}
{% macro build_time() -%}
    cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp)
{%- endmacro %}

{#- what refuse_another_pseudonym_key compares with -#}
{% macro remember_pseudonym_key() -%}
    {%- if execute -%} {{ adapter.dispatch("remember_pseudonym_key", "trackline")() }}
    {%- else -%} select 1
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__remember_pseudonym_key() -%}
    comment on table {{ this.include(database=false) }} is
    '{{ run_query("select trackline_key_fingerprint()").rows[0][0] }}'
{%- endmacro %}

{% macro spark__remember_pseudonym_key() -%}
    alter table {{ this }}
    set tblproperties ('trackline.key' = '{{ spark_answer("key_fingerprint") }}')
{%- endmacro %}

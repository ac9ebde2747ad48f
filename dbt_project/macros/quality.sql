{% macro landing_tables() -%}
    {{- return(["app_usage", "scores", "events", "students", "enrollments"]) -}}
{%- endmacro %}

{#- the one moment of a build -#}
{% macro build_time() -%}
    cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp)
{%- endmacro %}

{#- what refuse_another_pseudonym_key compares with -#}
{% macro remember_pseudonym_key() -%}
    {%- if execute and target.type == "duckdb" -%}
        comment on table {{ this.include(database=false) }} is
        '{{ run_query("select trackline_key_fingerprint()").rows[0][0] }}'
    {%- else -%}
        select 1
    {%- endif -%}
{%- endmacro %}

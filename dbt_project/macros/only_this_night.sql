{#- Configuration of a model whose rows belong to one build: kept beside the staged rows,
    not in the warehouse. -#}
{% macro only_this_night() -%}
    {{- return(
        {"materialized": "table", "database": "staging" if target.type == "duckdb" else none}
    ) -}}
{%- endmacro %}

{#- A state table that is made anew holds versions that no change was told of. -#}
{% macro touch_all_events() -%}
    {%- if not is_incremental() -%}
        insert into {{ ref("int_event_changes") }} (district_id, student_id, occurred_at)
        select district_id, student_id, min(occurred_at),
        from {{ this.include(database=false) }}
        group by district_id, student_id
    {%- else -%}
        select 1
    {%- endif -%}
{%- endmacro %}

{% macro void_totals_of_a_new_table() -%}
    {%- if not is_incremental() -%}
        delete from {{ ref("int_usage_changes") }};
        {%- set totals = api.Relation.create(
            database=this.database, schema=this.schema, identifier="int_usage_totals"
        ) -%}
        {%- if load_relation(totals) %}
        delete from {{ totals.include(database=false) }}
        {%- endif %}
    {%- else -%}
        select 1
    {%- endif -%}
{%- endmacro %}

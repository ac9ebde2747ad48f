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

{% macro void_counts_of_a_new_table() -%}
    {%- set counts = {
        "int_usage_changes": "int_usage_totals",
        "int_window_changes": "int_recent_usage",
        "int_week_changes": "int_app_weeks",
    } -%}
    {%- if execute and not is_incremental() -%}
        {%- for changes, name in counts.items() %}
        delete from {{ ref(changes) }};
        {#- emptied, not dropped: dbt would still believe in a table of that name -#}
        {%- set counted = load_relation(this.incorporate(path={"identifier": name})) -%}
        {%- if counted %}
        delete from {{ counted.include(database=false) }};
        {%- endif -%}
        {%- endfor %}
    {%- endif -%}
    select 1
{%- endmacro %}

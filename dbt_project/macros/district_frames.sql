{#- One model, one node in the graph, a view per district. The values of app_id never enter
    SQL text but as quoted column names; cells are picked by the app's position. -#}

{% materialization district_frames, adapter="duckdb" -%}
    {%- set registry = this.incorporate(type="table") -%}
    {{ run_hooks(pre_hooks) }}
    {%- set frames = run_query(compiled_code ~ " order by district_id").rows -%}
    {#- a view says in its comment what it was made from: one that still fits stays -#}
    {%- set template = local_md5(frame_sql("", [["", "", 0]])) -%}
    {%- set selections = dict(run_query(
        "select district_id, md5(string_agg(position || ':' || app_id, chr(0) order by position))"
        ~ " from " ~ ref("int_district_apps") ~ " group by district_id"
    ).rows.values()) -%}
    {%- set existing = dict(run_query(
        "select view_name, comment from duckdb_views() where database_name = current_database()"
        ~ " and schema_name = 'frames'"
    ).rows.values()) -%}
    {%- set changed = [] -%}
    {%- for frame in frames -%}
        {%- set made_from = template ~ " " ~ selections.get(frame[0], "") -%}
        {%- if existing.get(frame[1]) != made_from -%}
            {%- do changed.append([frame[0], frame[1], made_from]) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set wanted = frames | map(attribute=1) | list -%}
    {%- set apps = run_query(
        "select district_id, app_id, position from " ~ ref("int_district_apps")
        ~ " order by district_id, position"
    ).rows if changed else [] -%}

    {%- call statement("main") -%}
        create schema if not exists frames;
        {% for name in existing if name not in wanted -%}
            drop view frames.{{ quoted(name) }};
        {% endfor %}
        {% for district_id, name, made_from in changed -%}
            create or replace view frames.{{ quoted(name) }} as
            {{ frame_sql(district_id, apps | selectattr(0, "equalto", district_id) | list) }};
            comment on view frames.{{ quoted(name) }} is '{{ made_from }}';
        {% endfor %}
        create or replace table {{ registry.include(database=false) }} as
        {{ compiled_code }};
    {%- endcall -%}

    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {% do persist_docs(registry, model) %}
    {{ return({"relations": [registry]}) }}
{%- endmaterialization %}

{% macro quoted(name) -%}"{{ name | replace('"', '""') }}"{%- endmacro %}

{#- Cells by PIVOT: at 8,176 applications a sum of CASEs per column costs 4 times the CPU.
    District ids are [a-z0-9_] by the configuration check. -#}
{% macro frame_sql(district_id, apps) -%}
    select
        students.student_id,
        students.type,
        students.performance,
        students.score,
        students.measured_on,
        {% for app in apps -%}
            coalesce(cells."{{ app[2] }}", 0) as {{ quoted(app[1]) }},
        {% endfor %}
    from {{ ref("dim_students") }} as students
    {%- if apps %}
    left join
        (
            pivot (
                select usage.student_id, apps.position, usage.usage_minutes,
                from {{ ref("int_usage_current") }} as usage
                inner join {{ ref("int_district_apps") }} as apps
                    on usage.district_id = apps.district_id and usage.app_id = apps.app_id
                where usage.district_id = '{{ district_id }}'
            )
            on position in ({{ apps | map(attribute=2) | join(", ") }})
            using sum(usage_minutes)
            group by student_id
        ) as cells
        on students.student_id = cells.student_id
    {%- endif %}
    where students.district_id = '{{ district_id }}'
{%- endmacro %}

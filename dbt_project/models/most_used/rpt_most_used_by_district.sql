-- one row per district, scope, type, performance and rank: the applications that a
-- district, or a group of its students, uses most
{% set scopes = {
    "district": [],
    "type": ["type"],
    "performance": ["performance"],
    "type_performance": ["type", "performance"],
} %}
with
    districts as (select district_id, top_n from {{ ref("int_districts") }}),
    students as (
        select district_id, student_id, type, performance from {{ ref("dim_students") }}
    ),
    usage as (
        select district_id, student_id, app_id, usage_minutes, session_count
        from {{ ref("int_usage_current") }}
        where days_used > 0
    ),

    -- a student has one type and one band: groups of both add up to every scope
    groups as (
        select
            students.district_id,
            students.type,
            students.performance,
            usage.app_id,
            sum(usage.usage_minutes) as usage_minutes,
            sum(usage.session_count) as session_count,
            count(*) as student_count,
        from students
        inner join
            usage
            on students.district_id = usage.district_id
            and students.student_id = usage.student_id
        group by students.district_id, students.type, students.performance, usage.app_id
    ),

    scopes as (
        {% for scope, columns in scopes.items() -%}
            select
                district_id,
                '{{ scope }}' as scope,
                {{ "type" if "type" in columns else "cast(null as integer) as type" }},
                {{
                    (
                        "performance"
                        if "performance" in columns
                        else "cast(null as varchar) as performance"
                    )
                }},
                app_id,
                cast(sum(usage_minutes) as decimal(28, 6)) as usage_minutes,
                cast(sum(session_count) as bigint) as session_count,
                cast(sum(student_count) as bigint) as student_count,
            from
                groups
                {% for column in columns -%}
                    {{ "where" if loop.first else "and" }} {{ column }} is not null
                {% endfor -%}
            group by
                district_id,
                {% for c in columns %} {{ c }}, {% endfor %} app_id
                {{ "union all" if not loop.last }}
        {% endfor %}
    ),

    ranked as (
        select
            *,
            row_number() over (
                partition by district_id, scope, type, performance
                order by usage_minutes desc, session_count desc, app_id asc
            ) as rank,
        from scopes
    )

select
    ranked.district_id,
    ranked.scope,
    ranked.type,
    ranked.performance,
    cast(ranked.rank as integer) as rank,
    ranked.app_id,
    ranked.usage_minutes,
    ranked.session_count,
    ranked.student_count,
from ranked
inner join
    districts
    on ranked.district_id = districts.district_id
    and ranked.rank <= districts.top_n

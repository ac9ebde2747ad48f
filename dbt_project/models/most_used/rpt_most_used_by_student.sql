-- one row per student, basis and rank: the applications that a student uses most. The
-- use stands in no CTE: read twice, it would be written out
with
    districts as (
        select district_id, top_n, as_of, school_year_starts_on
        from {{ ref("int_districts") }}
    ),
    students as (select district_id, student_id, type from {{ ref("dim_students") }}),
    recent as (select * from {{ ref("int_recent_usage") }}),
    scores as (
        select district_id, student_id, app_id, measured_on
        from {{ ref("fct_scores") }}
        where measure = 'assessment' and app_id <> ''
    ),

    assessed_apps as (
        select scores.district_id, scores.student_id, scores.app_id
        from scores
        inner join
            districts
            on scores.district_id = districts.district_id
            and scores.measured_on >= districts.school_year_starts_on
            and scores.measured_on <= districts.as_of
        group by scores.district_id, scores.student_id, scores.app_id
    ),

    bases as (
        select
            district_id,
            student_id,
            'overall' as basis,
            app_id,
            usage_minutes,
            session_count,
            days_used,
            last_used_on,
        from {{ ref("int_usage_current") }}
        where days_used > 0
        union all
        select
            students.district_id,
            students.student_id,
            'assessment' as basis,
            assessed_apps.app_id,
            coalesce(usage.usage_minutes, cast(0 as decimal(28, 6))) as usage_minutes,
            coalesce(usage.session_count, 0) as session_count,
            coalesce(usage.days_used, 0) as days_used,
            usage.last_used_on,
        from students
        inner join
            assessed_apps
            on students.district_id = assessed_apps.district_id
            and students.student_id = assessed_apps.student_id
        left join
            {{ ref("int_usage_current") }} as usage
            on assessed_apps.district_id = usage.district_id
            and assessed_apps.student_id = usage.student_id
            and assessed_apps.app_id = usage.app_id
        where students.type = 1
        union all
        select
            students.district_id,
            students.student_id,
            'latest' as basis,
            recent.app_id,
            recent.usage_minutes,
            recent.session_count,
            recent.days_used,
            recent.last_used_on,
        from students
        inner join
            recent
            on students.district_id = recent.district_id
            and students.student_id = recent.student_id
        where students.type = 2 and recent.days_used > 0
    ),

    ranked as (
        select
            bases.*,
            row_number() over (
                partition by bases.district_id, bases.student_id, bases.basis
                order by
                    bases.usage_minutes desc, bases.session_count desc, bases.app_id asc
            ) as rank,
        from bases
    )

select
    ranked.district_id,
    ranked.student_id,
    ranked.basis,
    cast(ranked.rank as integer) as rank,
    ranked.app_id,
    ranked.usage_minutes,
    ranked.session_count,
    ranked.days_used,
    ranked.last_used_on,
from ranked
inner join
    districts
    on ranked.district_id = districts.district_id
    and ranked.rank <= districts.top_n

-- one row per student whom a roster, a day of use or a score names: the band is a range
-- join, so a district changes it with a seed row
with
    districts as (
        select district_id, as_of from {{ ref("int_districts") }} where is_enabled
    ),

    roster as (
        select district_id, student_id, school_id, grade_level
        from {{ ref("int_student_roster") }}
    ),

    scores as (select * from {{ ref("int_student_scores") }}),
    bands as (select * from {{ ref("int_score_bands") }}),

    seen as (
        select district_id, student_id
        from roster
        union
        select district_id, student_id
        from {{ ref("int_usage_totals") }}
        union
        select facts.district_id, facts.student_id,
        from {{ ref("fct_scores") }} as facts
        inner join
            districts
            on facts.district_id = districts.district_id
            and facts.measured_on <= districts.as_of
    ),

    not_students as (select district_id, user_id from {{ ref("int_not_students") }}),

    usage as (
        select
            district_id,
            student_id,
            cast(sum(usage_minutes) as decimal(28, 6)) as usage_minutes,
            count(*) as app_count,
            min(first_used_on) as first_used_on,
            max(last_used_on) as last_used_on,
        from {{ ref("int_usage_current") }}
        where days_used > 0
        group by district_id, student_id
    )

select
    seen.district_id,
    seen.student_id,
    roster.school_id,
    roster.grade_level,
    scores.type,
    scores.score,
    scores.measured_on,
    bands.performance,
    coalesce(usage.usage_minutes, cast(0 as decimal(28, 6))) as usage_minutes,
    coalesce(usage.app_count, 0) as app_count,
    usage.first_used_on,
    usage.last_used_on,
from seen
inner join districts on seen.district_id = districts.district_id
left join
    roster
    on seen.district_id = roster.district_id
    and seen.student_id = roster.student_id
left join
    scores
    on seen.district_id = scores.district_id
    and seen.student_id = scores.student_id
left join
    bands
    on scores.district_id = bands.district_id
    and scores.score >= bands.lower_bound
    and (scores.score < bands.upper_bound or bands.upper_bound is null)
left join
    usage on seen.district_id = usage.district_id and seen.student_id = usage.student_id
left join
    not_students
    on seen.district_id = not_students.district_id
    and seen.student_id = not_students.user_id
where not_students.user_id is null

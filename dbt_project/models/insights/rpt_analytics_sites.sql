-- one row per site: what it says of itself and what learning analytics finds there
with
    sites as (select * from {{ ref("int_analytics_sites") }}),
    settings as (select * from {{ ref("int_analytics_settings") }}),

    courses as (
        select
            district_id,
            count(*) as course_count,
            sum(case when is_finished then 1 else 0 end) as finished_course_count,
        from {{ ref("int_moodle_courses") }}
        group by district_id
    ),

    enrolments as (
        select district_id, count(*) as enrolment_count,
        from {{ ref("int_moodle_enrolments") }}
        group by district_id
    )

select
    sites.district_id,
    settings.is_analytics_enabled,
    settings.predictions_processor,
    settings.logstore,
    settings.instruction_mode,
    settings.percent_online,
    settings.institution_type,
    settings.institution_level,
    coalesce(courses.course_count, 0) as course_count,
    cast(coalesce(courses.finished_course_count, 0) as bigint) as finished_course_count,
    coalesce(enrolments.enrolment_count, 0) as enrolment_count,
from sites
inner join settings on sites.district_id = settings.district_id
left join courses on sites.district_id = courses.district_id
left join enrolments on sites.district_id = enrolments.district_id

-- one row per range and activity that a student should complete in it; the first of the
-- dates that are set decides: the activity's own, its availability, its section's, the
-- place of its section in the course
with
    ranges as (
        select distinct district_id, course_id, time_start, time_end,
        from {{ ref("int_samples") }}
        where course_id is not null
    ),
    courses as (select * from {{ ref("int_moodle_courses") }}),
    activities as (select * from {{ ref("int_activities") }} where is_visible),

    dated as (
        select
            ranges.district_id,
            ranges.course_id,
            ranges.time_start,
            ranges.time_end,
            activities.course_module_id,
            activities.module,
            activities.cognitive_potential,
            activities.social_potential,
            activities.feedback_from,
            activities.results_at,
            activities.due_at,
            activities.available_from,
            activities.available_until,
            activities.section_available_from,
            activities.section_available_until,
            activities.section,
            courses.has_sections,
            -- when the section is over, where nothing else says so
            case
                when courses.format in ('weeks', 'weekly')
                then courses.starts_at + activities.section * 604800
                when courses.ends_at > 0 and courses.section_count > 0
                then
                    courses.starts_at
                    +
                    {{
                        floor_divide(
                            "activities.section * (courses.ends_at - courses.starts_at)",
                            "courses.section_count",
                        )
                    }}
            end as section_ends_at,
        from ranges
        inner join
            courses
            on ranges.district_id = courses.district_id
            and ranges.course_id = courses.course_id
        inner join
            activities
            on ranges.district_id = activities.district_id
            and ranges.course_id = activities.course_id
    )

select
    district_id,
    course_id,
    time_start,
    time_end,
    course_module_id,
    module,
    cognitive_potential,
    social_potential,
    feedback_from,
    results_at,
from dated
where
    case
        when due_at is not null
        then due_at > time_start and due_at <= time_end
        when available_from > time_end
        then false
        when available_until is not null
        then available_until > time_start and available_until <= time_end
        when section_available_from > time_end
        then false
        when section_available_until is not null
        then
            section_available_until > time_start and section_available_until <= time_end
        when section = 0
        then false
        when not has_sections
        then true
        -- a course without an end or sections has no places
        when section_ends_at is null
        then true
        else section_ends_at > time_start and section_ends_at <= time_end
    end

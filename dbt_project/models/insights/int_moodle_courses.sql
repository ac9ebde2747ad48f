-- one row per course but the front page: what targets and indicators ask about it
with
    sites as (select * from {{ ref("int_analytics_sites") }}),

    courses as (
        select *
        from {{ moodle("course") }}
        where coalesce(format, '') <> 'site' and coalesce(category, 1) <> 0
    ),

    contexts as (
        select
            district_id,
            id as context_id,
            cast(instanceid as bigint) as course_id,
            context_path,
        from {{ moodle("context") }}
        where contextlevel = 50
    ),

    criteria as (
        select district_id, course as course_id, count(*) as criteria_count,
        from {{ moodle("course_completion_criteria") }}
        group by district_id, course
    ),

    sections as (
        select district_id, course as course_id, count(*) as section_count,
        from {{ moodle("course_sections") }}
        where section > 0
        group by district_id, course
    ),

    course_grades as (
        select
            district_id,
            courseid as course_id,
            min(id) as grade_item_id,
            max(gradepass) as gradepass,
        from {{ moodle("grade_items") }}
        where itemtype = 'course' and coalesce(gradetype, 1) = 1
        group by district_id, courseid
    ),

    competencies as (
        select district_id, courseid as course_id, count(*) as competency_count,
        from {{ moodle("competency_coursecomp") }}
        group by district_id, courseid
    )

select
    courses.district_id,
    courses.id as course_id,
    contexts.context_id,
    contexts.context_path,
    coalesce(courses.startdate, 0) as starts_at,
    coalesce(courses.enddate, 0) as ends_at,
    coalesce(courses.visible, 1) <> 0 as is_visible,
    coalesce(courses.format, 'topics') as format,
    coalesce(courses.format, 'topics')
    not in ('singleactivity', 'social') as has_sections,
    coalesce(courses.enablecompletion, 0) <> 0
    and sites.is_completion_enabled as is_completion_enabled,
    coalesce(criteria.criteria_count, 0) > 0 as has_completion_criteria,
    coalesce(sections.section_count, 0) as section_count,
    course_grades.grade_item_id,
    course_grades.gradepass,
    coalesce(competencies.competency_count, 0) as competency_count,
    sites.now_at,
    coalesce(courses.startdate, 0) > 0
    and sites.now_at >= courses.startdate as is_started,
    coalesce(courses.enddate, 0) > 0 and sites.now_at >= courses.enddate as is_finished,
from courses
inner join sites on courses.district_id = sites.district_id
left join
    contexts
    on courses.district_id = contexts.district_id
    and courses.id = contexts.course_id
left join
    criteria
    on courses.district_id = criteria.district_id
    and courses.id = criteria.course_id
left join
    sections
    on courses.district_id = sections.district_id
    and courses.id = sections.course_id
left join
    course_grades
    on courses.district_id = course_grades.district_id
    and courses.id = course_grades.course_id
left join
    competencies
    on courses.district_id = competencies.district_id
    and courses.id = competencies.course_id

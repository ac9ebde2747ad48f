-- one row per enrolment of a student in a course, the first of each student and course;
-- students hold a role of archetype student in the course or around it
with
    enrolments as (
        select
            enrolments.district_id,
            enrolments.id as enrolment_id,
            enrol.courseid as course_id,
            enrolments.userid as user_id,
            coalesce(enrolments.timestart, 0) as starts_at,
            coalesce(
                nullif(enrolments.timestart, 0), enrolments.timecreated, 0
            ) as begins_at,
            -- the greatest number of Moodle's column is "never" too
            case
                when enrolments.timeend > 0 and enrolments.timeend < 2147483647
                then enrolments.timeend
            end as ends_at,
        from {{ moodle("user_enrolments") }} as enrolments
        inner join
            {{ moodle("enrol") }} as enrol
            on enrolments.district_id = enrol.district_id
            and enrolments.enrolid = enrol.id
        where enrolments.userid is not null
    ),

    -- a role may be held in the course and around it
    students as (
        select distinct holders.district_id, parents.course_id, holders.user_id,
        from {{ ref("int_role_holders") }} as holders
        inner join
            {{ ref("int_course_parents") }} as parents
            on holders.district_id = parents.district_id
            and holders.context_id = parents.context_id
        where holders.role = 'student'
    ),

    ranked as (
        select
            enrolments.*,
            row_number() over (
                partition by
                    enrolments.district_id, enrolments.course_id, enrolments.user_id
                order by enrolments.enrolment_id
            ) as first_first,
        from enrolments
        inner join
            students
            on enrolments.district_id = students.district_id
            and enrolments.course_id = students.course_id
            and enrolments.user_id = students.user_id
    )

select district_id, enrolment_id, course_id, user_id, starts_at, begins_at, ends_at,
from ranked
where first_first = 1

-- one row per enrolment that nobody has suspended, neither itself nor the way to enrol
-- that it was made by. Whether it has begun and not ended is asked of a time
select
    enrolments.district_id,
    enrol.courseid as course_id,
    enrolments.userid as user_id,
    coalesce(enrolments.timestart, 0) as starts_at,
    nullif(enrolments.timeend, 0) as ends_at,
from {{ moodle("user_enrolments") }} as enrolments
inner join
    {{ moodle("enrol") }} as enrol
    on enrolments.district_id = enrol.district_id
    and enrolments.enrolid = enrol.id
where
    enrolments.userid is not null
    and coalesce(enrolments.status, 0) = 0
    and coalesce(enrol.status, 0) = 0

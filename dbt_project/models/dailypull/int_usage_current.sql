-- one row per student and app of the school year so far. What is kept up from night to
-- night counts everybody and leaves staff out here, for roles change without a day of
-- use
{{ config(materialized="view") }}
select
    usage.district_id,
    usage.student_id,
    usage.app_id,
    usage.usage_minutes,
    usage.session_count,
    usage.days_used,
    usage.first_used_on,
    usage.last_used_on,
from {{ ref("int_usage_so_far") }} as usage
left join
    {{ ref("int_not_students") }} as not_students
    on usage.district_id = not_students.district_id
    and usage.student_id = not_students.user_id
where not_students.user_id is null

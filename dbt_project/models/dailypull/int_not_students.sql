-- one row per user of a site who is no student of the district: the guest account, and
-- staff, who hold a teaching or managing role and nowhere a student's. Their log rows
-- are facts like everybody's; what speaks of students leaves them out
with
    holders as (
        select
            assignments.district_id,
            assignments.userid as user_id,
            max(case when roles.archetype = 'student' then 1 else 0 end) as is_student,
            max(
                case
                    when
                        roles.archetype
                        in ('manager', 'coursecreator', 'editingteacher', 'teacher')
                    then 1
                    else 0
                end
            ) as is_staff,
        from {{ moodle("role_assignments") }} as assignments
        inner join
            {{ moodle("role") }} as roles
            on assignments.district_id = roles.district_id
            and assignments.roleid = roles.id
        group by assignments.district_id, assignments.userid
    )

select district_id, user_id,
from {{ ref("int_guests") }}
union
select district_id, user_id,
from holders
where is_staff = 1 and is_student = 0

-- one row per student and recommendable application ever used, of every student: the
-- co-use matrix learns from all of them, and those of type 1 are recommended to. They
-- are read district by district, so that each one's rows lie together
select
    uses.district_id,
    uses.student_id,
    uses.app_id,
    students.performance as band,
    students.type,
    uses.first_used_on,
    uses.last_used_on,
    uses.is_used,
from {{ ref("int_student_apps") }} as uses
inner join
    {{ ref("dim_students") }} as students
    on uses.district_id = students.district_id
    and uses.student_id = students.student_id
where uses.is_recommendable
order by uses.district_id

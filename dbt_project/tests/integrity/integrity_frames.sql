-- What is this? Enabled districts without a frame, or whose frame does not have a row
-- for every student of dim_students.
-- When does it matter? A student who is missing in the frame is missing wherever it is
-- read.
-- How to resolve? frames.district_<id> is made by the materialization of
-- district_frames; build it again.
-- depends_on: {{ ref("district_frames") }}
{% set frames = (
    run_query(
        "select district_id, frame_name from "
        ~ ref("district_frames")
        ~ " order by district_id"
    ).rows
    if execute and load_relation(ref("district_frames"))
    else []
) %}
with
    students as (
        select district_id, count(*) as student_count,
        from {{ ref("dim_students") }}
        group by district_id
    ),

    districts as (select district_id from {{ ref("int_districts") }} where is_enabled),

    frames as (
        {% for frame in frames -%}
            select '{{ frame[0] }}' as district_id, count(*) as row_count,
            from frames.{{ quoted(frame[1]) }}
            union all
        {% endfor %}
        select cast(null as varchar) as district_id, 0 as row_count,
    )

select districts.district_id, students.student_count, frames.row_count,
from districts
left join students on districts.district_id = students.district_id
left join frames on districts.district_id = frames.district_id
where
    frames.district_id is null
    or frames.row_count <> coalesce(students.student_count, 0)

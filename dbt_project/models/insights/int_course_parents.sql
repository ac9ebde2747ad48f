-- one row per course and context that it lies in: its own, its categories', the site's
with
    courses as (
        select district_id, course_id, context_id, context_path
        from {{ ref("int_moodle_courses") }}
        where context_id is not null
    ),

    outer_contexts as (
        select district_id, id as context_id, contextlevel, context_path,
        from {{ moodle("context") }}
        where contextlevel in (10, 40)
    )

select district_id, course_id, context_id,
from courses
union
-- not an equality: a context lies in those whose path begins its own
select courses.district_id, courses.course_id, outer_contexts.context_id,
from courses
inner join
    outer_contexts
    on courses.district_id = outer_contexts.district_id
    and (
        outer_contexts.contextlevel = 10
        or courses.context_path like outer_contexts.context_path || '/%'
    )

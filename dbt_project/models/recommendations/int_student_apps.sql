-- one row per student and application ever used up to as_of: what a recommendation may
-- know of the two. It counts as used by the minutes in the 28 days to the last use, be
-- they of the school year or not
{{ config(materialized="view") }}
with
    districts as (
        select district_id, used_minutes
        from {{ ref("int_districts") }}
        where is_enabled
    ),
    totals as (select * from {{ ref("int_usage_totals") }} where days_used > 0),
    recent as (select * from {{ ref("int_recent_usage") }}),
    apps as (
        select district_id, app_id, is_recommendable from {{ ref("int_district_apps") }}
    ),

    ever as (
        select
            district_id,
            student_id,
            app_id,
            min(first_used_on) as first_used_on,
            max(last_used_on) as last_used_on,
        from totals
        group by district_id, student_id, app_id
    ),

    not_students as (select district_id, user_id from {{ ref("int_not_students") }})

select
    ever.district_id,
    ever.student_id,
    ever.app_id,
    ever.first_used_on,
    ever.last_used_on,
    coalesce(recent.window_minutes, cast(0 as decimal(28, 6))) as recent_minutes,
    coalesce(recent.window_minutes >= districts.used_minutes, false) as is_used,
    coalesce(apps.is_recommendable, false) as is_recommendable,
from ever
inner join districts on ever.district_id = districts.district_id
left join
    recent
    on ever.district_id = recent.district_id
    and ever.student_id = recent.student_id
    and ever.app_id = recent.app_id
left join apps on ever.district_id = apps.district_id and ever.app_id = apps.app_id
left join
    not_students
    on ever.district_id = not_students.district_id
    and ever.student_id = not_students.user_id
where not_students.user_id is null

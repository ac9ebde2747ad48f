-- one row per enabled district: the name and width of its frame, frames.district_<id>,
-- which the materialization makes from the students and the selected applications
{{ config(materialized="district_frames") }}
-- depends_on: {{ ref("dim_students") }}, {{ ref("int_usage_current") }}
with
    districts as (select district_id from {{ ref("int_districts") }} where is_enabled),
    apps as (select district_id, app_id from {{ ref("int_district_apps") }})

select
    districts.district_id,
    'district_' || districts.district_id as frame_name,
    count(apps.app_id) as app_count,
from districts
left join apps on districts.district_id = apps.district_id
group by districts.district_id

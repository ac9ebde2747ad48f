-- one row per app that is used and that the district has not selected: a frame has no
-- column for it
with
    usage as (select * from {{ ref("int_usage_current") }} where days_used > 0),
    apps as (select district_id, app_id from {{ ref("int_district_apps") }})

select
    usage.district_id,
    usage.app_id,
    count(*) as student_count,
    cast(sum(usage.usage_minutes) as decimal(28, 6)) as usage_minutes,
    max(usage.last_used_on) as last_used_on,
from usage
left join apps on usage.district_id = apps.district_id and usage.app_id = apps.app_id
where apps.app_id is null
group by usage.district_id, usage.app_id

-- one row per selected application; positions are what a frame's SQL may speak of, for
-- they are ours and an app's name is not
with
    apps as (select * from {{ ref("district_apps") }}),
    districts as (select district_id from {{ ref("int_districts") }})

select
    apps.district_id,
    apps.app_id,
    coalesce(nullif(apps.app_name, ''), apps.app_id) as app_name,
    lower(coalesce(nullif(apps.recommendable, ''), 'true'))
    = 'true' as is_recommendable,
    cast(nullif(apps.weekly_minutes_goal, '') as decimal(18, 6)) as weekly_minutes_goal,
    cast(nullif(apps.seats, '') as bigint) as seats,
    cast(nullif(apps.annual_cost, '') as decimal(18, 6)) as annual_cost,
    row_number() over (partition by apps.district_id order by apps.app_id) as position,
from apps
inner join districts on apps.district_id = districts.district_id

-- one row per enabled district with a Moodle site: its settings, its moment "now" (the
-- last second of as_of in the district's time zone) and what holds for the whole site
with
    districts as (select * from {{ ref("int_districts") }} where is_enabled),
    settings as (select * from {{ ref("int_analytics_settings") }}),

    sites as (select distinct district_id from {{ ref("int_moodle_records") }}),

    configured as (
        select
            district_id,
            max(
                case when name = 'enablecompletion' then setting end
            ) as enablecompletion,
            max(case when name = 'siteadmins' then setting end) as admin_ids,
        from {{ moodle("config") }}
        group by district_id
    ),

    admins as (
        select users.district_id, min(users.firstaccess) as first_access,
        from {{ moodle("user") }} as users
        inner join
            configured
            on users.district_id = configured.district_id
            and ',' || configured.admin_ids || ',' like '%,' || users.userid || ',%'
        where users.firstaccess > 0
        group by users.district_id
    ),

    system_contexts as (
        select district_id, min(id) as context_id,
        from {{ moodle("context") }}
        where contextlevel = 10
        group by district_id
    )

select
    districts.district_id,
    {{
        seconds_of(
            utc_time(dbt.dateadd("day", 1, "districts.as_of"), "districts.time_zone")
        )
    }} - 1 as now_at,
    settings.logstore,
    settings.is_analytics_enabled,
    settings.predictions_processor,
    settings.evaluation_intervals,
    coalesce(configured.enablecompletion, '1') <> '0' as is_completion_enabled,
    coalesce(configured.admin_ids, '') as admin_ids,
    coalesce(admins.first_access, 0) as site_starts_at,
    system_contexts.context_id as system_context_id,
from districts
inner join sites on districts.district_id = sites.district_id
inner join settings on districts.district_id = settings.district_id
left join configured on districts.district_id = configured.district_id
left join admins on districts.district_id = admins.district_id
left join system_contexts on districts.district_id = system_contexts.district_id

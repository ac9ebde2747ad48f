-- What is this? Selected applications of enabled districts without a minute of use in
-- the 60 days to the district's newest usage day. When does it matter? Its column in
-- the frame is all 0 and its licences are paid for nothing; more often the app_id is
-- not the one that the usage files use. How to resolve? Compare app_id with the ids in
-- fct_daily_usage (those that no row names are in dq_unknown_apps); correct the row, or
-- remove the application.
{{
    config(
        severity="warn",
        meta={"dagster": {"ref": {"name": "district_apps"}}},
    )
}}

with
    apps as (select district_id, app_id, app_name from {{ ref("district_apps") }}),
    districts as (
        select district_id
        from {{ ref("districts") }}
        where coalesce(lower(enabled), 'true') = 'true'
    ),
    usage as (
        select district_id, app_id, max(usage_date) as last_used_on
        from {{ ref("fct_daily_usage") }}
        where usage_minutes > 0
        group by district_id, app_id
    ),
    newest as (
        select district_id, max(last_used_on) as newest_on
        from usage
        group by district_id
    )

select apps.district_id, apps.app_id, apps.app_name, usage.last_used_on,
from apps
inner join districts on apps.district_id = districts.district_id
inner join newest on apps.district_id = newest.district_id
left join usage on apps.district_id = usage.district_id and apps.app_id = usage.app_id
where
    usage.last_used_on is null
    or usage.last_used_on < newest.newest_on - interval '60' day

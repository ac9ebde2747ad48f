-- What is this? Sites whose log store, by the setting logstore, has delivered nothing
-- while the other one has. When does it matter? The rows of the other store are no
-- events: the site has no activity, neither use nor indicators. How to resolve? Set
-- logstore for the site in analytics_settings.csv and build with --full-refresh, or
-- deliver the table of the store that is set.
{{
    config(
        severity="warn",
        meta={"dagster": {"ref": {"name": "int_analytics_settings"}}},
    )
}}

with
    settings as (select district_id, logstore from {{ ref("int_analytics_settings") }}),
    delivered as (
        select
            district_id,
            case
                when table_name = 'moodle/log' then 'legacy' else 'standard'
            end as logstore,
            sum(rows_accepted) as row_count,
        from {{ ref("dq_files") }}
        where table_name in ('moodle/log', 'moodle/logstore_standard_log')
        group by district_id, 2
    )

select settings.district_id, settings.logstore,
from settings
inner join delivered on settings.district_id = delivered.district_id
group by settings.district_id, settings.logstore
having
    sum(
        case
            when delivered.logstore = settings.logstore then delivered.row_count else 0
        end
    )
    = 0
    and sum(delivered.row_count) > 0

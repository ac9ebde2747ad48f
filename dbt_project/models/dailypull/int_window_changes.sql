-- the days of use that changed since int_recent_usage read them; filled and emptied as
-- int_usage_changes is
{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        full_refresh=false,
    )
}}
select
    cast(null as varchar) as district_id,
    cast(null as varchar) as student_id,
    cast(null as date) as usage_date,
where false

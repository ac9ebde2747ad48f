-- the days of use that changed since int_app_weeks counted them; filled and emptied as
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
    cast(null as varchar) as app_id,
    cast(null as date) as usage_date,
    cast(null as decimal(18, 6)) as usage_minutes,
    cast(null as bigint) as session_count,
    cast(null as boolean) as is_deleted,
    cast(null as decimal(18, 6)) as was_usage_minutes,
    cast(null as bigint) as was_session_count,
    cast(null as boolean) as was_is_deleted,
where false

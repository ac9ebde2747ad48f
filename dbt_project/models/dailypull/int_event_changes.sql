-- the events that were added or moved and whose days int_usage_versions has not summed
-- again; filled and emptied as int_usage_changes is
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
    cast(null as timestamp) as occurred_at,
    cast(null as varchar) as was_student_id,
    cast(null as timestamp) as was_occurred_at,
where false

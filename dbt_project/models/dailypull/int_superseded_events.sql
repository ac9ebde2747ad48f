-- one row per event that a later delivery told anew and whose days may have been summed
-- before; filled and emptied as int_superseded_usage is
{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        full_refresh=false,
        meta={"partition": "merged_in"},
    )
}}
select
    cast(null as varchar) as district_id,
    cast(null as varchar) as student_id,
    cast(null as timestamp) as occurred_at,
    cast(null as bigint) as was_merged_in,
    cast(null as bigint) as merged_in,
where false

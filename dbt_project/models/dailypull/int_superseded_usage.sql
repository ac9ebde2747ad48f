-- one row per version of a day of use that a merge replaced and that a reader may have
-- counted. This model only makes the table: the merge appends in its own transaction,
-- and takes away what every reader has counted
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
    cast(null as bigint) as was_merged_in,
    cast(null as bigint) as merged_in,
where false

-- what the merge changed and int_usage_totals has not counted yet; this model only makes
-- the table, the merge fills it in its own transaction and the totals empty it in theirs
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

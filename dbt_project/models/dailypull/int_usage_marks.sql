-- one row per reader of changes and district: how far it has counted. This model only
-- makes the table; each reader moves its marks in its own transaction
-- (macros/counts.sql)
{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        full_refresh=false,
    )
}}
select
    cast(null as varchar) as reader,
    cast(null as varchar) as district_id,
    cast(null as bigint) as counted_to,
    cast(null as date) as as_of,
    cast(null as date) as school_year_starts_on,
    cast(null as varchar) as time_zone,
where false

-- What is this? Enabled districts of districts.csv from which no file was ever read,
-- and districts whose nces_lea_id has not seven digits. When does it matter? Such a
-- district has an empty frame and empty reports, which look like a district that uses
-- nothing; an id that lost its leading zero joins to nothing. How to resolve? Compare
-- the folder names under TRACKLINE_LANDING with district_id; set enabled to false until
-- the first delivery; write the id with its leading zeros.
{{
    config(
        severity="warn",
        meta={"dagster": {"ref": {"name": "districts"}}},
    )
}}

with
    districts as (
        select district_id, nces_lea_id
        from {{ ref("districts") }}
        where coalesce(lower(enabled), 'true') = 'true'
    ),
    deliveries as (
        select district_id, count(*) as file_count
        from {{ ref("dq_files") }}
        where rows_accepted > 0
        group by district_id
    )

select
    districts.district_id,
    districts.nces_lea_id,
    coalesce(deliveries.file_count, 0) as file_count,
from districts
left join deliveries on districts.district_id = deliveries.district_id
where deliveries.file_count is null or length(districts.nces_lea_id) != 7

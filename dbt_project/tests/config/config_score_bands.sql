-- What is this? Performance bands in which no student of any district stands, where the
-- district that uses them has at least 50 students with a score. When does it matter? A
-- band nobody reaches is often a bound on another scale (0.88 for 88), and then every
-- student looks excellent. How to resolve? Compare lower_bound with the percents in
-- dim_students.score; correct the bound, or accept the warning where the band is meant
-- to be rare.
{{
    config(
        severity="warn",
        meta={"dagster": {"ref": {"name": "score_bands"}}},
    )
}}

with
    bands as (
        select district_id, performance, lower_bound from {{ ref("score_bands") }}
    ),
    own as (select district_id, count(*) as bands from bands group by district_id),
    scored as (
        select district_id, count(*) as student_count
        from {{ ref("dim_students") }}
        where score is not null
        group by district_id
    ),
    used as (
        select district_id, performance, count(*) as student_count
        from {{ ref("dim_students") }}
        where performance is not null
        group by district_id, performance
    ),
    -- the bands of `*` hold for a district without rows of its own
    expected as (
        select
            scored.district_id,
            scored.student_count,
            case
                when own.district_id is null then '*' else scored.district_id
            end as band_set,
        from scored
        left join own on scored.district_id = own.district_id
    )

select expected.district_id, bands.performance, bands.lower_bound,
from expected
inner join bands on expected.band_set = bands.district_id
left join
    used
    on expected.district_id = used.district_id
    and bands.performance = used.performance
where expected.student_count >= 50 and used.student_count is null

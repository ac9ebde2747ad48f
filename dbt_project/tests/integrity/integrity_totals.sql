-- What is this? A district whose totals, kept up night by night, are not the sums of
-- its days. One district is added up each day: the one whose md5 with as_of comes
-- first,
-- so that in time every district has its turn and a night scans one district. When does
-- it matter? Totals that drifted are wrong in every report until a
-- full refresh. How to resolve? `dbt build --full-refresh`, and report how it came
-- about: by its mark in int_usage_marks a reader counts every change once.
with
    districts as (
        select
            district_id,
            as_of,
            row_number() over (
                order by md5(district_id || cast(as_of as varchar)), district_id
            ) as place,
        from {{ ref("int_districts") }}
    ),

    sampled as (select district_id, as_of from districts where place = 1),

    days as (
        select
            sampled.district_id,
            sum(facts.usage_minutes) as usage_minutes,
            sum(facts.session_count) as session_count,
            count(*) as day_count,
        from {{ ref("fct_daily_usage") }} as facts
        inner join
            sampled
            on facts.district_id = sampled.district_id
            and facts.usage_date <= sampled.as_of
        group by sampled.district_id
    ),

    totals as (
        select
            totals.district_id,
            sum(totals.usage_minutes) as usage_minutes,
            sum(totals.session_count) as session_count,
            sum(totals.day_count) as day_count,
        from {{ ref("int_usage_totals") }} as totals
        inner join sampled on totals.district_id = sampled.district_id
        group by totals.district_id
    )

select sampled.district_id, days.usage_minutes, totals.usage_minutes as total_minutes,
from sampled
left join days on sampled.district_id = days.district_id
left join totals on sampled.district_id = totals.district_id
where
    coalesce(days.usage_minutes, 0) <> coalesce(totals.usage_minutes, 0)
    or coalesce(days.session_count, 0) <> coalesce(totals.session_count, 0)
    or coalesce(days.day_count, 0) <> coalesce(totals.day_count, 0)

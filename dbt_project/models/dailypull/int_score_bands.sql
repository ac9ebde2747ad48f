-- one row per district and band, [lower_bound, upper_bound): a district with bands of
-- its own replaces all of the common ones
with
    bands as (
        select
            district_id,
            performance,
            cast(lower_bound as decimal(18, 6)) as lower_bound,
        from {{ ref("score_bands") }}
    ),

    districts as (select district_id from {{ ref("int_districts") }}),

    owners as (
        select
            districts.district_id,
            case
                when count(bands.district_id) > 0 then districts.district_id else '*'
            end as owner,
        from districts
        left join bands on districts.district_id = bands.district_id
        group by districts.district_id
    )

select
    owners.district_id,
    bands.performance,
    bands.lower_bound,
    lead(bands.lower_bound) over (
        partition by owners.district_id order by bands.lower_bound
    ) as upper_bound,
from owners
-- not every district has its own: the owner of its bands may be everybody's '*'
inner join bands on owners.owner = bands.district_id

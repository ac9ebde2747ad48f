-- What is this? Sites whose predictions are to be made by a server that is not named:
-- the processor `server`, the site's or one of its models', without host or port. When
-- does it matter? Every model that wants it stops with a processor that is not ready.
-- How to resolve? Set host and port (and TRACKLINE_SERVER_PASSWORD) for the site, or
-- the processor to sklearn.
{{ config(severity="warn") }}

-- a row of `*` holds for every site without its own, so joins are not on equal ids;
-- seeds
-- are short
with
    districts as (
        select district_id
        from {{ ref("districts") }}
        where coalesce(lower(enabled), 'true') = 'true'
    ),

    ranked as (
        select
            districts.district_id,
            settings.name,
            coalesce(settings.value, '') as value,
            row_number() over (
                partition by districts.district_id, settings.name
                order by case when settings.district_id = '*' then 1 else 0 end
            ) as own_first,
        from districts
        inner join
            {{ ref("analytics_settings") }} as settings
            on districts.district_id = settings.district_id
            or settings.district_id = '*'
    ),

    settings as (select * from ranked where own_first = 1),

    by_server as (
        select district_id
        from settings
        where name = 'predictionsprocessor' and value = 'server'
        union
        select districts.district_id
        from districts
        inner join
            {{ ref("prediction_models") }} as models
            on districts.district_id = models.district_id
            or models.district_id = '*'
        where
            models.predictions_processor = 'server'
            and coalesce(lower(models.enabled), 'true') = 'true'
    ),

    named as (
        select district_id, count(*) as parts
        from settings
        where name in ('host', 'port') and value <> ''
        group by district_id
    )

select by_server.district_id,
from by_server
left join named on by_server.district_id = named.district_id
where coalesce(named.parts, 0) < 2

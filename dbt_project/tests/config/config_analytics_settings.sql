-- What is this? Sites whose predictions are to be made by a server that is not named:
-- the processor `server` without host or port. When does it matter? Every model of the
-- site stops with a processor that is not ready. How to resolve? Set host and port (and
-- TRACKLINE_SERVER_PASSWORD) for the site, or set predictionsprocessor to sklearn.
{{ config(severity="warn") }}

with
    settings as (select district_id, name, value from {{ ref("analytics_settings") }}),
    by_server as (
        select district_id
        from settings
        where name = 'predictionsprocessor' and value = 'server'
    ),
    named as (
        select district_id, count(*) as parts
        from settings
        where name in ('host', 'port') and value is not null
        group by district_id
    )

-- a row of `*` holds for every site, so the join is not on equal ids; seeds are short
select by_server.district_id,
from by_server
left join named on by_server.district_id = named.district_id or named.district_id = '*'
group by by_server.district_id
having coalesce(max(named.parts), 0) < 2

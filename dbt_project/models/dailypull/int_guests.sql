-- one row per guest account of a site: what it does is no student's
{{ config(materialized="view") }}
select district_id, setting as user_id,
from {{ moodle("config") }} as config
where name = 'siteguest' and setting is not null
union
select district_id, userid as user_id,
from {{ moodle("user") }} as users
where username = 'guest' and userid is not null

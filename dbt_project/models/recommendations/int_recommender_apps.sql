-- one row per application that a district lets be recommended
select apps.district_id, apps.app_id, apps.app_name, districts.top_n, districts.as_of,
from {{ ref("int_district_apps") }} as apps
inner join
    {{ ref("int_districts") }} as districts on apps.district_id = districts.district_id
where districts.is_enabled and apps.is_recommendable

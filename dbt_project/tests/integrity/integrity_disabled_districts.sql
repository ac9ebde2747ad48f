-- What is this? Dimensions, reports and frames that hold a district which is disabled
-- or no longer configured.
-- When does it matter? Somebody was promised that the district is not shown any more.
-- How to resolve? The model has to join int_districts where is_enabled.
with
    districts as (select district_id from {{ ref("int_districts") }} where is_enabled),

    shown as (
        {% for name in [
            "dim_students",
            "district_frames",
            "int_recent_usage",
            "int_app_weeks",
            "rpt_most_used_by_student",
            "rpt_most_used_by_district",
            "rpt_app_value",
        ] -%}
            select district_id, '{{ name }}' as table_name, count(*) as row_count,
            from {{ ref(name) }}
            group by district_id {{ "union all" if not loop.last }}
        {% endfor %}
    )

select shown.district_id, shown.table_name, shown.row_count,
from shown
left join districts on shown.district_id = districts.district_id
where districts.district_id is null

-- one row per student of int_outcomes and application used strictly between the two
-- scores: use on the day of a test explains nothing. Who used nothing has one row
-- without an application. A night counts those again who have other scores, or a change
-- between them. They are read district by district, so that each one's rows lie
-- together
{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        meta={"rebuilt_on_spark": true},
        pre_hook=[
            "{{ begin_counting(is_void_year()) }}",
            "{{ forget_stale_outcomes() }}",
        ],
        post_hook="{{ end_counting(districts='is_enabled') }}",
    )
}}
-- depends_on: {{ ref("int_usage_marks") }}, {{ ref("int_superseded_usage") }}
with
    outcomes as (
        select
            outcomes.district_id,
            outcomes.student_id,
            outcomes.prior_on,
            outcomes.later_on
        from {{ ref("int_outcomes") }} as outcomes
        {% if is_incremental() -%}
            left join
                (select distinct district_id, student_id from {{ this }}) as kept
                on outcomes.district_id = kept.district_id
                and outcomes.student_id = kept.student_id
            where kept.district_id is null
        {%- endif %}
    ),

    uses as (
        select
            outcomes.district_id,
            outcomes.student_id,
            usage.app_id,
            sum(usage.usage_minutes) as usage_minutes,
        from {{ ref("fct_daily_usage") }} as usage
        inner join
            outcomes
            on usage.district_id = outcomes.district_id
            and usage.student_id = outcomes.student_id
            -- not an equality: the days between the two
            and usage.usage_date > outcomes.prior_on
            and usage.usage_date < outcomes.later_on
        group by outcomes.district_id, outcomes.student_id, usage.app_id
    )

select
    outcomes.district_id,
    outcomes.student_id,
    uses.app_id,
    outcomes.prior_on,
    outcomes.later_on,
    cast(coalesce(uses.usage_minutes, 0) as double) as usage_minutes,
from outcomes
left join
    uses
    on outcomes.district_id = uses.district_id
    and outcomes.student_id = uses.student_id
order by outcomes.district_id

-- one row per site, model, purpose and analysis interval to be analysed: of models that
-- run, training and prediction; while `trackline evaluate` runs, its models and
-- intervals instead
{% set evaluated = env_var("TRACKLINE_EVALUATE", "") %}
with
    sites as (select district_id from {{ ref("int_analytics_sites") }}),
    models as (select * from {{ ref("int_site_models") }}),

    ranked_intervals as (
        select
            sites.district_id,
            intervals.analysis_interval,
            intervals.kind,
            cast(nullif(intervals.parts, '') as integer) as parts,
            cast(nullif(intervals.days, '') as integer) as days,
            cast(nullif(intervals.months, '') as integer) as months,
            row_number() over (
                partition by sites.district_id, intervals.analysis_interval
                order by case when intervals.district_id = '*' then 1 else 0 end
            ) as own_first,
        from {{ ref("analysis_intervals") }} as intervals
        inner join
            sites
            on intervals.district_id = sites.district_id
            or intervals.district_id = '*'
    ),

    purposes as (
        {% if evaluated -%}
            select
                models.*,
                intervals.analysis_interval as interval_id,
                'evaluate' as purpose,
            from models
            inner join
                ranked_intervals as intervals
                on models.district_id = intervals.district_id
                and intervals.own_first = 1
                and intervals.kind not in ('unlimited', 'upcoming')
                and {{ evaluated_intervals("models", "intervals.analysis_interval") }}
            where {{ evaluated_models("models") }}
        {%- else -%}
            select
                models.*, models.analysis_interval as interval_id, 'predict' as purpose,
            from models
            where is_running
            union all
            select
                models.*, models.analysis_interval as interval_id, 'train' as purpose,
            from models
            where is_running and not is_static
        {%- endif %}
    )

select
    purposes.district_id,
    purposes.model_id,
    purposes.purpose,
    purposes.target,
    purposes.analyser,
    purposes.is_static,
    purposes.indicators,
    purposes.processor,
    purposes.contexts,
    intervals.analysis_interval,
    intervals.kind,
    intervals.parts,
    intervals.days,
    intervals.months,
from purposes
inner join
    ranked_intervals as intervals
    on purposes.district_id = intervals.district_id
    and purposes.interval_id = intervals.analysis_interval
    and intervals.own_first = 1

-- one row per site, model, purpose and analysis interval to be analysed: of models that
-- run, training and prediction; while `trackline evaluate` runs, its models and intervals
-- instead
{{ config(**analysis_tables()) }}
{% set evaluated = env_var("TRACKLINE_EVALUATE", "") %}
with
    sites as (select * from {{ ref("int_analytics_sites") }}),
    targets as (select * from {{ ref("analytics_targets") }}),

    ranked_models as (
        select
            sites.district_id,
            sites.evaluation_intervals,
            sites.is_analytics_enabled,
            coalesce(
                nullif(models.predictions_processor, ''), sites.predictions_processor
            ) as processor,
            models.model_id,
            models.target,
            models.indicators,
            nullif(models.analysis_interval, '') as analysis_interval,
            coalesce(models.contexts, '') as contexts,
            lower(coalesce(nullif(models.enabled, ''), 'true'))
            in ('true', 't', 'yes', 'y', '1') as is_enabled,
            row_number() over (
                partition by sites.district_id, models.model_id
                order by case when models.district_id = '*' then 1 else 0 end
            ) as own_first,
        from {{ ref("prediction_models") }} as models
        inner join sites
            on models.district_id = sites.district_id or models.district_id = '*'
    ),

    models as (
        select
            ranked_models.*,
            targets.analyser,
            targets.is_static,
        from ranked_models
        inner join targets on ranked_models.target = targets.target
        where ranked_models.own_first = 1
    ),

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
        inner join sites
            on intervals.district_id = sites.district_id or intervals.district_id = '*'
    ),

    purposes as (
        {% if evaluated -%}
            select
                models.*,
                intervals.analysis_interval as interval_id,
                'evaluate' as purpose,
            from models
            inner join ranked_intervals as intervals
                on models.district_id = intervals.district_id
                and intervals.own_first = 1
                and intervals.kind not in ('unlimited', 'upcoming')
                and {{ evaluated_intervals("models", "intervals.analysis_interval") }}
            where
                {{ evaluated_models("models") }}
        {%- else -%}
            select models.*, models.analysis_interval as interval_id, 'predict' as purpose,
            from models
            where is_enabled and is_analytics_enabled
            union all
            select models.*, models.analysis_interval as interval_id, 'train' as purpose,
            from models
            where is_enabled and is_analytics_enabled and not is_static
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
inner join ranked_intervals as intervals
    on purposes.district_id = intervals.district_id
    and purposes.interval_id = intervals.analysis_interval
    and intervals.own_first = 1

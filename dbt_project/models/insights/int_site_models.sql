-- one row per site and model of prediction_models.csv, enabled or not: the site's own
-- row before that of every site
with
    sites as (select * from {{ ref("int_analytics_sites") }}),

    ranked as (
        select
            sites.district_id,
            models.model_id,
            models.target,
            models.indicators,
            nullif(models.analysis_interval, '') as analysis_interval,
            coalesce(
                nullif(models.predictions_processor, ''), sites.predictions_processor
            ) as processor,
            coalesce(models.contexts, '') as contexts,
            lower(coalesce(nullif(models.enabled, ''), 'true')) = 'true'
            and sites.is_analytics_enabled as is_running,
            sites.evaluation_intervals,
            row_number() over (
                partition by sites.district_id, models.model_id
                order by case when models.district_id = '*' then 1 else 0 end
            ) as own_first,
        from {{ ref("prediction_models") }} as models
        inner join
            sites on models.district_id = sites.district_id or models.district_id = '*'
    )

select
    ranked.district_id,
    ranked.model_id,
    ranked.target,
    targets.analyser,
    targets.is_static,
    ranked.indicators,
    ranked.analysis_interval,
    ranked.processor,
    ranked.contexts,
    ranked.is_running,
    ranked.evaluation_intervals,
from ranked
inner join {{ ref("analytics_targets") }} as targets on ranked.target = targets.target
where ranked.own_first = 1

-- one row per model, sample, range and indicator that has a value there, in [-1, 1]
with
    samples as (select * from {{ ref("int_samples") }}),
    base_values as (select * from {{ ref("int_base_values") }}),

    -- a model's indicators are a list of words
    model_indicators as (
        select distinct analyses.district_id, analyses.model_id, indicators.indicator,
        from {{ ref("int_analyses") }} as analyses
        inner join {{ ref("analytics_indicators") }} as indicators
            on ' ' || analyses.indicators || ' ' like '% ' || indicators.indicator || ' %'
    )

select
    samples.district_id,
    samples.model_id,
    samples.purpose,
    samples.analysis_interval,
    samples.analysable_id,
    samples.sample_id,
    samples.range_index,
    base_values.indicator,
    base_values.value,
from samples
inner join base_values
    on samples.district_id = base_values.district_id
    and coalesce(samples.course_id, 0) = base_values.course_id
    and coalesce(samples.user_id, '') = base_values.user_id
    and samples.time_start = base_values.time_start
    and samples.time_end = base_values.time_end
inner join model_indicators
    on samples.district_id = model_indicators.district_id
    and samples.model_id = model_indicators.model_id
    and base_values.indicator = model_indicators.indicator

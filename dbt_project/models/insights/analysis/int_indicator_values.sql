-- one row per model, sample, range and indicator that has a value there, in [-1, 1]
with
    samples as (select * from {{ ref("int_samples") }}),
    base_values as (select * from {{ ref("int_base_values") }}),

    sites as (select district_id from {{ ref("int_analytics_sites") }}),

    settings as (
        select settings.*
        from {{ ref("int_analytics_settings") }} as settings
        inner join sites on settings.district_id = sites.district_id
    ),

    -- what a site says of itself, the same for all of its samples; null where it is
    -- silent
    {%- set site_information = {
        "instruction_mode": ["facetoface", "blendedhybrid", "fullyonline"],
        "institution_type": ["academic", "training", "ngo"],
        "institution_level": [
            "isced0",
            "isced1",
            "isced2",
            "isced3",
            "isced4",
            "isced5",
            "isced6",
            "isced7",
            "isced8",
        ],
    } %}
    site_values as (
        select
            district_id,
            'site_percent_online' as indicator,
            {{ to_cents("(percent_online - 50)", "50") }} as value,
        from settings
        where percent_online is not null
        {%- for column, words in site_information.items() -%}
            {%- for word in words %}
                union all
                select
                    district_id,
                    'site_{{ word }}' as indicator,
                    cast(
                        case
                            when ' ' || {{ column }} || ' ' like '% {{ word }} %'
                            then 1
                            else -1
                        end as decimal(5, 2)
                    ) as value,
                from settings
                where {{ column }} is not null
            {%- endfor -%}
        {%- endfor %}
    ),

    -- a model's indicators are a list of words
    model_indicators as (
        select distinct analyses.district_id, analyses.model_id, indicators.indicator,
        from {{ ref("int_analyses") }} as analyses
        inner join
            {{ ref("analytics_indicators") }} as indicators
            on ' ' || analyses.indicators || ' '
            like '% ' || indicators.indicator || ' %'
    )

    {%- set columns -%}
    samples.district_id,
    samples.model_id,
    samples.purpose,
    samples.analysis_interval,
    samples.analysable_id,
    samples.sample_id,
    samples.range_index,
    model_indicators.indicator,
    {%- endset %}

select {{ columns }} base_values.value,
from samples
inner join
    base_values
    on samples.district_id = base_values.district_id
    and coalesce(samples.course_id, 0) = base_values.course_id
    and coalesce(samples.user_id, '') = base_values.user_id
    and samples.time_start = base_values.time_start
    and samples.time_end = base_values.time_end
inner join
    model_indicators
    on samples.district_id = model_indicators.district_id
    and samples.model_id = model_indicators.model_id
    and base_values.indicator = model_indicators.indicator
union all
select {{ columns }} site_values.value,
from samples
inner join site_values on samples.district_id = site_values.district_id
inner join
    model_indicators
    on samples.district_id = model_indicators.district_id
    and samples.model_id = model_indicators.model_id
    and site_values.indicator = model_indicators.indicator

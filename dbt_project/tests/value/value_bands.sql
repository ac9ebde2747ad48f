-- What is this? Students with a score and no band, a band and no score, or a score
-- outside of 0 to 100.
-- When does it matter? A student without a band is in no group of the reports; bands
-- begin at 0, so there is always one.
-- How to resolve? Look at the district's rows of score_bands and at int_score_bands.
select district_id, student_id, score, performance,
from {{ ref("dim_students") }}
where
    (score is null) <> (performance is null)
    or (score is null) <> (type is null)
    or score < 0
    or score > 100

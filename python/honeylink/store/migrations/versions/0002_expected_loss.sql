-- What a stream expects to lose: its FEC was planned for that. All null where its priority chose.

-- Adding the columns rewrites nothing. Behind a long transaction it would wait, and every request behind it; so it gives up.
SET LOCAL lock_timeout = '1s';

ALTER TABLE streams
    ADD COLUMN loss_rate       double precision,
    ADD COLUMN loss_burst      double precision, -- null also where each packet is lost by itself
    ADD COLUMN recovery_target double precision,
    -- Not valid: of the rows that are there nobody could have asked for it, and reading them all would take a while.
    ADD CONSTRAINT streams_loss CHECK (
        num_nulls(loss_rate, recovery_target) IN (0, 2) AND (loss_burst IS NULL OR loss_rate IS NOT NULL)
    ) NOT VALID;

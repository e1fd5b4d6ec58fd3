-- upstream_links: links of an account, and of a person at a provider, are found also where they have
-- ended: who removed a link is not linked by her number again, and a logout token ends sessions by
-- every link of the person. The release before uses neither index.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS upstream_links_account; -- one that was interrupted is invalid
CREATE INDEX CONCURRENTLY upstream_links_account ON upstream_links (account);
DROP INDEX CONCURRENTLY IF EXISTS upstream_links_person;
CREATE INDEX CONCURRENTLY upstream_links_person ON upstream_links (issuer, provider_subject);

-- upstream_links: links of an account, and of a person at a provider, are found also where they have
-- ended: who removed a link is not linked by her number again, and a logout token ends sessions by
-- every link of the person. The release before uses neither index.
-- +goose Up
CREATE INDEX upstream_links_account ON upstream_links (account);
CREATE INDEX upstream_links_person ON upstream_links (issuer, provider_subject);

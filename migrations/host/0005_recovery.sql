ALTER TABLE `sessions` ADD `troubles` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `sessions` ADD `quiet_since` integer;
CREATE TABLE `builds` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`hash` text NOT NULL,
	`base` text NOT NULL,
	`contract` integer NOT NULL,
	`declaration` text NOT NULL,
	`image` text,
	`size` integer,
	`packages` text,
	`code` text,
	`reason` text,
	`started_at` integer NOT NULL,
	`ended_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `builds_hash` ON `builds` (`hash`);--> statement-breakpoint
CREATE TABLE `group_images` (
	`folder` text PRIMARY KEY NOT NULL,
	`build` integer,
	`previous` integer,
	`held` text,
	`since` integer NOT NULL,
	FOREIGN KEY (`build`) REFERENCES `builds`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`previous`) REFERENCES `builds`(`id`) ON UPDATE no action ON DELETE no action
);

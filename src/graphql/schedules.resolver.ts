import { UseGuards } from '@nestjs/common';
import { Args, Mutation, Query, Resolver } from '@nestjs/graphql';
import { SchedulesService } from '../batch/schedules/schedules.service.js';
import { AdminGuard } from '../transport/admin.guard.js';
import { parseWith } from '../transport/validation.js';
import {
  CreateScheduleInput,
  createScheduleSchema,
  GraphqlSchedule,
  toGraphqlSchedule,
  UpdateScheduleInput,
  updateScheduleSchema,
} from './schedules.types.js';

const ID = { description: 'Id of the schedule, or its name.' } as const;

/** Schedules over GraphQL. Who may change them: see `AdminGuard`. */
@Resolver(() => GraphqlSchedule)
export class SchedulesResolver {
  readonly #schedules: SchedulesService;

  constructor(schedules: SchedulesService) {
    this.#schedules = schedules;
  }

  @Query(() => [GraphqlSchedule], { description: 'By name.' })
  async schedules(): Promise<GraphqlSchedule[]> {
    return (await this.#schedules.list()).map(toGraphqlSchedule);
  }

  @Query(() => GraphqlSchedule)
  async schedule(@Args('id', ID) id: string): Promise<GraphqlSchedule> {
    return toGraphqlSchedule(await this.#schedules.get(id));
  }

  @Mutation(() => GraphqlSchedule)
  @UseGuards(AdminGuard)
  async createSchedule(@Args('input') input: CreateScheduleInput): Promise<GraphqlSchedule> {
    return toGraphqlSchedule(await this.#schedules.create(parseWith(createScheduleSchema, input)));
  }

  @Mutation(() => GraphqlSchedule)
  @UseGuards(AdminGuard)
  async updateSchedule(
    @Args('id', ID) id: string,
    @Args('input') input: UpdateScheduleInput,
  ): Promise<GraphqlSchedule> {
    return toGraphqlSchedule(await this.#schedules.update(id, parseWith(updateScheduleSchema, input)));
  }

  @Mutation(() => GraphqlSchedule, { description: 'Answers the schedule that is gone; its batches go on.' })
  @UseGuards(AdminGuard)
  async deleteSchedule(@Args('id', ID) id: string): Promise<GraphqlSchedule> {
    return toGraphqlSchedule(await this.#schedules.delete(id));
  }

  @Mutation(() => GraphqlSchedule, {
    description: 'Runs it now, paused or not; answers when its batch is made.',
  })
  @UseGuards(AdminGuard)
  async runSchedule(@Args('id', ID) id: string): Promise<GraphqlSchedule> {
    return toGraphqlSchedule(await this.#schedules.run(id));
  }

  @Mutation(() => GraphqlSchedule)
  @UseGuards(AdminGuard)
  async pauseSchedule(@Args('id', ID) id: string): Promise<GraphqlSchedule> {
    return toGraphqlSchedule(await this.#schedules.pause(id));
  }

  @Mutation(() => GraphqlSchedule)
  @UseGuards(AdminGuard)
  async resumeSchedule(@Args('id', ID) id: string): Promise<GraphqlSchedule> {
    return toGraphqlSchedule(await this.#schedules.resume(id));
  }
}
